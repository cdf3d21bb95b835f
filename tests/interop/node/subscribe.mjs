// Subscribes to audience changes with graphql-ws until one profile has entered; prints the change.
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const [url, audience] = process.argv.slice(2)
const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 })
const query = `subscription { audienceChanges(audiences: ["${audience}"]) { cursor heartbeat changes { id change audience { name } profile { id } } } }`
client.on('connected', () => console.log('connected'))
for await (const result of client.iterate({ query })) {
  if (result.errors) {
    console.error(JSON.stringify(result.errors))
    process.exit(1)
  }
  const change = result.data.audienceChanges.changes[0]
  if (change) {
    console.log(JSON.stringify(change))
    break
  }
}
await client.dispose()
