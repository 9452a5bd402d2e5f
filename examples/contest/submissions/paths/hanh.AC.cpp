#include <iostream>
#include <string>
#include <vector>

std::vector<std::string> grid;
std::vector<std::vector<long long>> known;

// Walks every path, and remembers how many there were from each cell.
long long ways(std::size_t row, std::size_t column) {
    if (row == grid.size() || column == grid[row].size() || grid[row][column] == '#') return 0;
    if (row + 1 == grid.size() && column + 1 == grid[row].size()) return 1;
    long long &count = known[row][column];
    if (count < 0) count = (ways(row + 1, column) + ways(row, column + 1)) % 1'000'000'007;
    return count;
}

int main() {
    int rows, columns;
    std::cin >> rows >> columns;
    known.assign(rows, std::vector<long long>(columns, -1));
    for (std::string line; std::cin >> line;) grid.push_back(line);
    std::cout << ways(0, 0) << '\n';
}
