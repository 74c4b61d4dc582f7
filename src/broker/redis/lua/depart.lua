-- An instance takes itself out of the registry.
-- KEYS  the instance's hash, index
-- ARGV  id, nonce
if redis.call('HGET', KEYS[1], 'nonce') == ARGV[2] then redis.call('DEL', KEYS[1]) end
return redis.call('ZREM', KEYS[2], ARGV[1] .. '#' .. ARGV[2])
