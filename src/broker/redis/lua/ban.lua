-- Refuses a user until then; a time past lifts the ban.
-- KEYS ban  ARGV time of its end
local now = redis.call('TIME')
if tonumber(ARGV[1]) <= now[1] * 1000 + math.floor(now[2] / 1000) then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[1])
end
return 1
