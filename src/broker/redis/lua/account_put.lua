-- Adds or replaces an account. What somebody opened before under another role or password ends with it.
-- KEYS account, admins, logins of the account  ARGV folded name, name, role, password hash, prefix of logins
local known = redis.call('HMGET', KEYS[1], 'role', 'hash')
if known[1] and (known[1] ~= ARGV[3] or known[2] ~= ARGV[4]) then
    for _, token in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
        redis.call('DEL', ARGV[5] .. token)
    end
    redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[1], 'name', ARGV[2], 'role', ARGV[3], 'hash', ARGV[4])
if ARGV[3] == 'admin' then
    redis.call('HSET', KEYS[2], ARGV[1], 1)
else
    redis.call('HDEL', KEYS[2], ARGV[1])
end
return 1
