# Shows every step of the addition.
input()
so_far = []
for number in map(int, input().split()):
    so_far.append(number)
    print(" + ".join(map(str, so_far)), "=", sum(so_far))
