-- For wrk: the credentials of the file BEARER, one a line, take turns; with BODY, a JSON document, in a POST.
local requests, next = {}, 0
local body = os.getenv("BODY")
local content = body and "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n" or ""
for line in io.lines(os.getenv("BEARER")) do
  requests[#requests + 1] = (body and "POST " or "GET ") .. (os.getenv("TARGET") or "/v1/whoami")
    .. " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " .. line .. "\r\n" .. content .. "\r\n" .. (body or "")
end
function request()
  next = next % #requests + 1
  return requests[next]
end
