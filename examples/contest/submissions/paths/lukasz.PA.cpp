#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

// Forgets the modulus: right as long as the count fits.
int main() {
    int rows, columns;
    std::cin >> rows >> columns;
    std::vector<std::uint64_t> ways(columns + 1);
    ways[1] = 1;
    for (std::string line; std::cin >> line;) {
        for (int column = 1; column <= columns; ++column) {
            ways[column] = line[column - 1] == '#' ? 0 : ways[column] + ways[column - 1];
        }
    }
    std::cout << ways[columns] << '\n';
}
