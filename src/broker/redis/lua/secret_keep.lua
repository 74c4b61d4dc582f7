-- Keeps the secret that resume tokens are signed with: of two the older one, whoever comes later.
-- KEYS  secret, when it was made; without the latter it is older than any
-- ARGV  a secret, when it was made ('' for now)
-- Gives the one that is kept, and when it was made in ms.
local kept = redis.call('GET', KEYS[1])
local made = tonumber(redis.call('GET', KEYS[2]) or '') or 0
local time = redis.call('TIME')
local mine = tonumber(ARGV[2]) or time[1] * 1000 + math.floor(time[2] / 1000)
if kept and (made <= mine or kept == ARGV[1]) then return { kept, string.format('%d', made) } end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], string.format('%d', mine))
return { ARGV[1], string.format('%d', mine) }
