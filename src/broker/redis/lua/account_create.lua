-- Adds an account unless its name is taken. The very same account is not taken by itself: a command may be sent twice.
-- KEYS account, admins  ARGV folded name, name, role, password hash  Answers 1, or 0 if taken.
local known = redis.call('HMGET', KEYS[1], 'name', 'role', 'hash')
if known[1] then
    return (known[1] == ARGV[2] and known[2] == ARGV[3] and known[3] == ARGV[4]) and 1 or 0
end
redis.call('HSET', KEYS[1], 'name', ARGV[2], 'role', ARGV[3], 'hash', ARGV[4])
if ARGV[3] == 'admin' then
    redis.call('HSET', KEYS[2], ARGV[1], 1)
end
return 1
