#include <stdio.h>

int main(void) {
    long long count, sum = 0, number;
    if (scanf("%lld", &count) != 1) return 1;
    while (count-- > 0 && scanf("%lld", &number) == 1) sum += number;
    printf("%lld\n", sum);
    return 0;
}
