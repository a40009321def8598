/**
 * A history, with the HashKV results of an etcd v3.7.1 in between. Leases 7 and 8 existed. `-` means none. A txn puts
 * its first key and "zz" and deletes its second one in between. Each compaction was finished before the next step. A
 * hash is followed by its compact revision and its own revision.
 */
export const HASH_HISTORY: string = `
compact 2
txn a2 k2
txn a0 k4
put k3 v 0
put k2 vvvv 0
put k3 vvv 0
txn a0 k1
hash 0 = 1493108446 -1 7
hash -2 = 1084519789 -1 -2
hash 0 = 1493108446 -1 7
hash 0 = 1493108446 -1 7
hash 0 = 1493108446 -1 7
hash -1 = 1084519789 -1 -1
hash 0 = 1493108446 -1 7
hash 0 = 1493108446 -1 7
put k1 vv 0
put k2 vv 0
delete k l
hash 0 = 2027513529 -1 10
hash 3 = 1763613965 -1 3
hash 0 = 2027513529 -1 10
hash 0 = 2027513529 -1 10
hash 0 = 2027513529 -1 10
hash -2 = 1084519789 -1 -2
hash 0 = 2027513529 -1 10
hash 0 = 2027513529 -1 10
put k3 v 7
put k2 vv 0
txn a1 k3
put k4 - 0
put k4 vv 0
delete k1 -
hash 0 = 1712656349 -1 15
hash 13 = 1241770361 -1 13
hash 0 = 1712656349 -1 15
hash 0 = 1712656349 -1 15
delete k l
delete k l
compact 1
put k0 v 0
put k0 vvvv 0
delete k1 -
delete k4 -
put k1 v 0
delete k1 -
hash 0 = 2452094104 1 20
hash 13 = 1241770361 1 13
hash 1 = 1084519789 -1 1
hash 0 = 2452094104 1 20
hash 0 = 2452094104 1 20
hash 8 = 2300603613 1 8
hash 1 = 1084519789 -1 1
hash 0 = 2452094104 1 20
delete k5 -
hash 0 = 2452094104 1 20
hash 8 = 2300603613 1 8
hash 1 = 1084519789 -1 1
hash 0 = 2452094104 1 20
put k4 - 0
hash 0 = 974188491 1 21
hash 13 = 1241770361 1 13
hash 1 = 1084519789 -1 1
hash 1 = 1084519789 -1 1
txn a2 k3
delete a ~
hash 0 = 313184689 1 23
hash 22 = 3318695611 1 22
hash 1 = 1084519789 -1 1
hash 0 = 313184689 1 23
txn a0 k0
delete k0 -
compact 9
put k4 - 0
delete k3 -
put k4 vv 7
txn a1 k5
delete a ~
put k2 - 7
delete k4 -
delete k1 -
hash 0 = 788073325 9 29
hash 23 = 1247211244 9 23
hash 9 = 887642643 1 9
hash 5 = has been compacted
put k0 vvvv 0
put k0 vvv 0
hash 0 = 473296240 9 31
hash 27 = 983033151 9 27
hash 9 = 887642643 1 9
hash 9 = 887642643 1 9
hash 0 = 473296240 9 31
hash 32 = is a future revision
hash 9 = 887642643 1 9
hash 1 = 1084519789 -1 1
delete k1 -
delete k l
put k0 vv 7
delete k2 -
put k0 vvv 0
delete k3 -
txn a2 k5
delete a ~
delete k5 -
put k3 - 0
put k5 - 7
hash 0 = 2629442609 9 38
hash 7 = has been compacted
hash 9 = 887642643 1 9
hash 8 = has been compacted
compact 24
hash 0 = 511454149 24 38
hash 17 = has been compacted
hash 24 = 1425324151 9 24
hash 15 = has been compacted
delete k1 -
put k4 vvvv 0
txn a0 k3
delete k2 -
txn a1 k0
txn a2 k3
delete a ~
put k3 - 0
put k0 vvv 0
delete k4 -
hash 0 = 749972825 24 45
hash 17 = has been compacted
hash 24 = 1425324151 9 24
hash 21 = has been compacted
hash 0 = 749972825 24 45
hash 22 = has been compacted
hash 24 = 1425324151 9 24
hash 17 = has been compacted
delete k l
compact 43
txn a0 k2
delete a ~
put k5 - 0
compact 43
txn a0 k2
hash 0 = 3374824734 43 50
hash 29 = has been compacted
hash 43 = 2324861514 24 43
hash 33 = has been compacted
put k0 - 0
put k3 vv 0
put k3 v 7
put k1 v 7
hash 0 = 1204131450 43 54
hash 5 = has been compacted
hash 43 = 2324861514 24 43
hash 14 = has been compacted
hash 0 = 1204131450 43 54
hash 47 = 1214303309 43 47
hash 43 = 2324861514 24 43
hash 1 = 1084519789 -1 1
put k5 vvv 0
hash 0 = 1376902572 43 55
hash -1 = 1084519789 43 -1
hash 43 = 2324861514 24 43
hash 32 = has been compacted
put k3 vvvv 7
put k2 - 0
put k3 v 0
delete k3 -
hash 0 = 4050645341 43 59
hash 42 = has been compacted
hash 43 = 2324861514 24 43
hash 29 = has been compacted
hash 0 = 4050645341 43 59
hash 54 = 1204131450 43 54
hash 43 = 2324861514 24 43
hash 20 = has been compacted
hash 0 = 4050645341 43 59
hash 50 = 3374824734 43 50
hash 43 = 2324861514 24 43
hash 9 = 887642643 1 9
hash 0 = 4050645341 43 59
hash 29 = has been compacted
hash 43 = 2324861514 24 43
hash 17 = has been compacted
delete k4 -
put k0 - 0
put k4 - 0
delete k4 -
txn a2 k2
delete a ~
hash 0 = 205837272 43 64
hash -2 = 1084519789 43 -2
hash 43 = 2324861514 24 43
hash 18 = has been compacted
put k0 vvvv 7
compact 63
put k5 - 0
txn a1 k3
delete a ~
`;
