#include <stdio.h>

enum { SIDE_MAX = 60, MODULUS = 1000000007 };

int main(void) {
    int rows, columns;
    if (scanf("%d %d", &rows, &columns) != 2) return 1;
    long long ways[SIDE_MAX + 1] = {0};
    ways[1] = 1;
    for (int row = 0; row < rows; row++) {
        char line[SIDE_MAX + 1];
        if (scanf("%60s", line) != 1) return 1;
        for (int column = 1; column <= columns; column++) {
            ways[column] = line[column - 1] == '#' ? 0 : (ways[column] + ways[column - 1]) % MODULUS;
        }
    }
    printf("%lld\n", ways[columns]);
    return 0;
}
