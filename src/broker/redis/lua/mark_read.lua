-- Moves a user's read marker on, never back. Answers it as it then is.
-- KEYS markers of the room  ARGV user, number, ms until the markers of a room in which nobody reads are forgotten (0 = never)
local known = redis.call('HGET', KEYS[1], ARGV[1]) or '0'
if tonumber(ARGV[2]) <= tonumber(known) then
    return known
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] ~= '0' then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return ARGV[2]
