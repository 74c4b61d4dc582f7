-- Gives a room's log a new life, unless somebody did already.
-- KEYS meta, log, ids, state, read markers
-- ARGV the epoch it has, the one it gets, channel, the frame up to its epoch, expiry of an empty room ms
-- Answers the epoch it has now.
local meta, log, ids, state = unpack(KEYS)
local m = redis.call('HMGET', meta, 'e', 's', 't')
local epoch, head, trimmed = m[1], tonumber(m[2]) or 0, tonumber(m[3]) or 0
if epoch and epoch ~= ARGV[1] then return epoch end
if not epoch or (head > trimmed and redis.call('HEXISTS', log, head) == 0) then
  redis.call('DEL', unpack(KEYS))
  redis.call('HSET', meta, 'e', ARGV[2], 's', 0, 't', 0, 'ts', 0)
  redis.call('PEXPIRE', meta, ARGV[5])
else
  redis.call('HSET', meta, 'e', ARGV[2])
end
redis.call('PUBLISH', ARGV[3], ARGV[4] .. ARGV[2] .. '"}')
return ARGV[2]
