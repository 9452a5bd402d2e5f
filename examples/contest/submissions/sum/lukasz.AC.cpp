#include <cstdint>
#include <iostream>

int main() {
    int n;
    std::cin >> n;
    std::int64_t sum = 0;
    for (std::int64_t number; n-- > 0 && std::cin >> number;) sum += number;
    std::cout << sum << '\n';
}
