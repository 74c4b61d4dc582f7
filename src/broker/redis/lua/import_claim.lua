-- Takes a room for a log that is carried over, unless it has one. Until all of the log is there the room counts as trimmed
-- up to its last number, so that whoever is in it can go on meanwhile.
-- KEYS meta, log, ids, state, read markers  ARGV epoch, last number, time of the last entry
-- Answers 'claimed'; 'there' if this log was carried over before; 'taken' if the room has another.
local meta = redis.call('HMGET', KEYS[1], 'e', 's', 'importing')
if meta[1] == ARGV[1] then
    return meta[3] and 'claimed' or 'there'
end
if meta[1] and tonumber(meta[2] or 0) > 0 then
    return 'taken'
end
redis.call('DEL', unpack(KEYS))
redis.call('HSET', KEYS[1], 'e', ARGV[1], 's', ARGV[2], 't', ARGV[2], 'ts', ARGV[3], 'importing', 1)
return 'claimed'
