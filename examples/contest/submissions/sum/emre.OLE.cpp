#include <iostream>
#include <vector>

// Left its debug output in: after every number, all sums so far.
int main() {
    int n;
    std::cin >> n;
    std::vector<long long> sums{0};
    for (long long number; n-- > 0 && std::cin >> number;) {
        sums.push_back(sums.back() + number);
        for (long long sum : sums) std::cout << sum << ' ';
        std::cout << '\n';
    }
    std::cout << sums.back() << '\n';
}
