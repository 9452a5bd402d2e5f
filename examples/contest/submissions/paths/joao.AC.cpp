#include <iostream>
#include <string>
#include <vector>

constexpr long long modulus = 1'000'000'007;

int main() {
    int rows, columns;
    std::cin >> rows >> columns;
    std::vector<long long> ways(columns + 1);
    ways[1] = 1;
    for (std::string line; std::cin >> line;) {
        for (int column = 1; column <= columns; ++column) {
            ways[column] = line[column - 1] == '#' ? 0 : (ways[column] + ways[column - 1]) % modulus;
        }
    }
    std::cout << ways[columns] << '\n';
}
