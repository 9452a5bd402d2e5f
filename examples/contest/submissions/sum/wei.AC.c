#include <stdio.h>

int main(void) {
    int n;
    if (scanf("%d", &n) != 1) return 1;
    long long sum = 0;
    for (int i = 0; i < n; i++) {
        long long number;
        if (scanf("%lld", &number) != 1) return 1;
        sum += number;
    }
    printf("%lld\n", sum);
    return 0;
}
