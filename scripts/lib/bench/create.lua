-- For wrk: keys are created by the keys of the file BEARER in turn.
local body = '{"name":"bench","scopes":["notes:read"]}'
local requests, next = {}, 0
for line in io.lines(os.getenv("BEARER")) do
  requests[#requests + 1] = "POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " .. line
    .. "\r\nContent-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end
function request()
  next = next % #requests + 1
  return requests[next]
end
