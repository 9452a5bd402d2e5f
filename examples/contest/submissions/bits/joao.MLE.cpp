#include <iostream>
#include <vector>

// A table of the ones of every number, doubled until it holds n.
int main() {
    int queries;
    std::cin >> queries;
    std::vector<int> ones{0};
    for (std::size_t n; queries-- > 0 && std::cin >> n;) {
        while (ones.size() <= n) {
            std::size_t half = ones.size();
            for (std::size_t i = 0; i < half; ++i) ones.push_back(ones[i] + 1);
        }
        long long total = 0;
        for (std::size_t i = 0; i <= n; ++i) total += ones[i];
        std::cout << total << '\n';
    }
}
