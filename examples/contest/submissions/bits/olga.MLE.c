#include <stdio.h>
#include <stdlib.h>

// A table of the ones of every number, doubled until it holds n.
int main(void) {
    int queries;
    if (scanf("%d", &queries) != 1) return 1;
    size_t size = 1;
    int *ones = calloc(size, sizeof *ones);
    while (queries-- > 0) {
        size_t n;
        if (scanf("%zu", &n) != 1) return 1;
        for (; size <= n; size *= 2) {
            ones = realloc(ones, 2 * size * sizeof *ones);
            for (size_t i = 0; i < size; i++) ones[size + i] = ones[i] + 1;
        }
        long long total = 0;
        for (size_t i = 0; i <= n; i++) total += ones[i];
        printf("%lld\n", total);
    }
    free(ones);
    return 0;
}
