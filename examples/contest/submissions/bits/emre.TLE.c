#include <stdio.h>

// Looks at every number up to n: 10^17 of them in the large cases.
int main(void) {
    int queries;
    if (scanf("%d", &queries) != 1) return 1;
    while (queries-- > 0) {
        long long n, total = 0;
        if (scanf("%lld", &n) != 1) return 1;
        for (long long i = 1; i <= n; i++) {
            for (long long rest = i; rest > 0; rest /= 2) total += rest % 2;
        }
        printf("%lld\n", total);
    }
    return 0;
}
