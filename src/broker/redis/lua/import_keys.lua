-- Remembers keys of messages that were trimmed before they were carried over, as the append script does.
-- KEYS meta  ARGV epoch, name of the idem keys, ms a key is remembered, (message id, its answer)...
-- Answers 1, or 0 if the room is not claimed any more.
local meta = redis.call('HMGET', KEYS[1], 'e', 'importing')
if meta[1] ~= ARGV[1] or not meta[2] then
    return 0
end
local time, period = redis.call('TIME'), tonumber(ARGV[3])
local idem = ARGV[2] .. ':' .. math.floor((time[1] * 1000 + math.floor(time[2] / 1000)) / period)
redis.call('HSET', idem, unpack(ARGV, 4))
redis.call('PEXPIRE', idem, 2 * period)
return 1
