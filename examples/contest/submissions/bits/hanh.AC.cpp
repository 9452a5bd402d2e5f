#include <algorithm>
#include <iostream>

int main() {
    int queries;
    std::cin >> queries;
    for (long long n; queries-- > 0 && std::cin >> n;) {
        long long ones = 0;
        for (long long half = 1; half <= n; half *= 2) {
            ones += (n + 1) / (2 * half) * half + std::max(0LL, (n + 1) % (2 * half) - half);
        }
        std::cout << ones << '\n';
    }
}
