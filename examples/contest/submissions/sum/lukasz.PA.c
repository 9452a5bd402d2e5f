#include <stdint.h>
#include <stdio.h>

// 32 bits hold the small sums only; unsigned, so that the large ones wrap in the same way everywhere.
int main(void) {
    int n;
    if (scanf("%d", &n) != 1) return 1;
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) {
        int number;
        if (scanf("%d", &number) != 1) return 1;
        sum += (uint32_t)number;
    }
    printf("%d\n", (int32_t)sum);
    return 0;
}
