#include <bit>
#include <cstdint>
#include <iostream>

// Counts the ones of n alone, not those of all numbers up to it.
int main() {
    int queries;
    std::cin >> queries;
    for (std::uint64_t n; queries-- > 0 && std::cin >> n;) std::cout << std::popcount(n) << '\n';
}
