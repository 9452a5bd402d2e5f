# Takes the count for one of the numbers.
import sys

print(sum(map(int, sys.stdin.read().split())))
