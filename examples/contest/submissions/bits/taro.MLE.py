# A table of the ones of every number, doubled until it holds n.
ones = [0]
for _ in range(int(input())):
    n = int(input())
    while len(ones) <= n:
        ones += [count + 1 for count in ones]
    print(sum(ones[: n + 1]))
