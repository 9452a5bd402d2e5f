#include <stdio.h>

// Forgets the first cell of each path: counts 0 everywhere.
int main(void) {
    int rows, columns;
    if (scanf("%d %d", &rows, &columns) != 2) return 1;
    long long ways[61] = {0};
    for (int row = 0; row < rows; row++) {
        char line[61];
        if (scanf("%60s", line) != 1) return 1;
        for (int column = 1; column <= columns; column++) {
            ways[column] = line[column - 1] == '#' ? 0 : (ways[column] + ways[column - 1]) % 1000000007;
        }
    }
    printf("%lld\n", ways[columns]);
    return 0;
}
