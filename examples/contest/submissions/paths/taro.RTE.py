# The list is one too short, so that the last column is outside of it.
rows, columns = map(int, input().split())
ways = [0, 1] + [0] * (columns - 2)
for _ in range(rows):
    for column, cell in enumerate(input(), start=1):
        ways[column] = 0 if cell == "#" else (ways[column] + ways[column - 1]) % 1_000_000_007
print(ways[columns])
