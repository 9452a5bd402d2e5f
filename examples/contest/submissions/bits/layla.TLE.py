# Looks at every number up to n: 10^17 of them in the large cases.
for _ in range(int(input())):
    n = int(input())
    print(sum(i.bit_count() for i in range(1, n + 1)))
