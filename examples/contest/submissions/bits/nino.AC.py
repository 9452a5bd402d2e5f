def ones(n):
    total, half = 0, 1
    while half <= n:
        total += (n + 1) // (2 * half) * half + max(0, (n + 1) % (2 * half) - half)
        half *= 2
    return total


for _ in range(int(input())):
    print(ones(int(input())))
