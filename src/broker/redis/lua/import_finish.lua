-- Opens a log that was carried over: from now on the room has it.
-- KEYS meta, log, ids, state, rooms
-- ARGV epoch, last number, number trimmed up to, ms the keys live (0 = for ever), room, channel, frame that tells the room
-- Answers 1, or 0 if the room is not claimed any more or its log is not complete.
local meta = redis.call('HMGET', KEYS[1], 'e', 's', 't', 'importing')
if meta[1] ~= ARGV[1] then
    return 0
end
if not meta[4] then
    return 1
end
if meta[3] ~= ARGV[2] or redis.call('HLEN', KEYS[2]) ~= tonumber(meta[2]) - tonumber(ARGV[3]) then
    return 0
end
redis.call('HSET', KEYS[1], 't', ARGV[3])
redis.call('HDEL', KEYS[1], 'importing')
if meta[2] ~= ARGV[3] then
    -- As every room's, so that the list is in the order of names.
    redis.call('ZADD', KEYS[5], 0, ARGV[5])
end
if ARGV[4] ~= '0' then
    for i = 1, 4 do
        redis.call('PEXPIRE', KEYS[i], ARGV[4])
    end
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
