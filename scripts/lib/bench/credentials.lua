-- For wrk: the credentials of the file BEARER, one a line, take turns.
local requests, next = {}, 0
for line in io.lines(os.getenv("BEARER")) do
  requests[#requests + 1] = "GET " .. (os.getenv("TARGET") or "/v1/whoami")
    .. " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " .. line .. "\r\n\r\n"
end
function request()
  next = next % #requests + 1
  return requests[next]
end
