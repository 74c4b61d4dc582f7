-- Refuses a user until then; a time past lifts the ban.
-- KEYS ban, bans  ARGV time of its end, user
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(ARGV[1]) <= now then
    redis.call('DEL', KEYS[1])
    redis.call('ZREM', KEYS[2], ARGV[2])
else
    redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[1])
    redis.call('ZADD', KEYS[2], ARGV[1], ARGV[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
return 1
