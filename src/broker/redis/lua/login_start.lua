-- Starts a login session. The set of an account's sessions expires with its last one.
-- KEYS login, logins of the account  ARGV token's hash, folded name, time of its end
redis.call('HSET', KEYS[1], 'folded', ARGV[2], 'expires', ARGV[3])
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
local now = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now[1] * 1000))
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('PEXPIREAT', KEYS[2], ARGV[3], 'NX')
redis.call('PEXPIREAT', KEYS[2], ARGV[3], 'GT')
return 1
