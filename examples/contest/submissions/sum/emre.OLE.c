#include <stdio.h>

// Reads the first number again and again: the counter never moves.
int main(void) {
    int n;
    long long number;
    if (scanf("%d %lld", &n, &number) != 2) return 1;
    long long sum = 0;
    for (int i = 0; i < n;) {
        sum += number;
        printf("%lld\n", sum);
    }
    return 0;
}
