-- The account of a login session that has not ended, which is prolonged, but not by less than a step.
-- KEYS login  ARGV token's hash, now, time of the new end, step at most, its part of the time to the end,
--   prefixes of accounts, of the logins of an account
local login = redis.call('HMGET', KEYS[1], 'folded', 'expires')
local now, expires = tonumber(ARGV[2]), tonumber(ARGV[3])
if not login[1] or tonumber(login[2]) <= now then
    return false
end
local account = redis.call('HMGET', ARGV[6] .. login[1], 'name', 'role', 'hash')
if not account[1] then
    return false
end
local step = math.min(tonumber(ARGV[4]), math.floor(math.max(expires - now, 0) / tonumber(ARGV[5])))
if expires >= tonumber(login[2]) + step then
    redis.call('HSET', KEYS[1], 'expires', ARGV[3])
    redis.call('PEXPIREAT', KEYS[1], ARGV[3])
    redis.call('ZADD', ARGV[7] .. login[1], ARGV[3], ARGV[1])
    redis.call('PEXPIREAT', ARGV[7] .. login[1], ARGV[3], 'NX')
    redis.call('PEXPIREAT', ARGV[7] .. login[1], ARGV[3], 'GT')
end
return { login[1], account[1], account[2], account[3] }
