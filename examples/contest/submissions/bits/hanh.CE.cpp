#include <iostream>

int main() {
    std::cin >> queries;
    std::cout << queries << '\n';
}
