-- Puts a piece of a log into a room that is claimed for it.
-- KEYS meta, hash  ARGV epoch, (field, value)...  Answers 1, or 0 if the room is not claimed any more.
local meta = redis.call('HMGET', KEYS[1], 'e', 'importing')
if meta[1] ~= ARGV[1] or not meta[2] then
    return 0
end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
return 1
