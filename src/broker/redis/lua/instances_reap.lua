-- Takes instances that are dead out of the index, and rooms that nobody has held for long out of the list of occupied ones.
-- KEYS  index, occupied
-- ARGV  ttl ms, ms to keep rooms
-- Gives the dead; whoever calls first gets them.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - tonumber(ARGV[1]), 'LIMIT', 0, 100)
for i = 1, #dead do redis.call('ZREM', KEYS[1], dead[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]))
return dead
