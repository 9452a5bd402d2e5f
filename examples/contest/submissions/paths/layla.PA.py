# Forgets the modulus: right as long as the count is below it.
rows, columns = map(int, input().split())
ways = [0, 1] + [0] * (columns - 1)
for _ in range(rows):
    for column, cell in enumerate(input(), start=1):
        ways[column] = 0 if cell == "#" else ways[column] + ways[column - 1]
print(ways[columns])
