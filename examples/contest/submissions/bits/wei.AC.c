#include <stdio.h>

int main(void) {
    int queries;
    if (scanf("%d", &queries) != 1) return 1;
    while (queries-- > 0) {
        long long n;
        if (scanf("%lld", &n) != 1) return 1;
        long long ones = 0;
        for (int bit = 0; bit < 60; bit++) {
            long long half = 1LL << bit, rest = (n + 1) % (2 * half) - half;
            ones += (n + 1) / (2 * half) * half + (rest > 0 ? rest : 0);
        }
        printf("%lld\n", ones);
    }
    return 0;
}
