// Sends with @rudderstack/rudder-sdk-node; prints how many calls it made.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [dataPlaneUrl, writeKey] = process.argv.slice(2)
const Client = RudderAnalytics.default ?? RudderAnalytics
const client = new Client(writeKey, { dataPlaneUrl, flushAt: 3 })
const failed = []
const done = (error) => error && failed.push(error)
const userId = 'rn'
client.identify({ userId, traits: { email: 'rn@shop.example' } }, done)
client.track({ userId, event: 'Order Completed', properties: { order_id: 'o-rn', revenue: 3, currency: 'GBP' } }, done)
client.page({ userId, name: 'Home' }, done)
client.screen({ userId, name: 'Start' }, done)
client.group({ userId, groupId: 'g1' }, done)
client.alias({ userId, previousId: 'old-rn' }, done)
await client.flush()
if (failed.length > 0) {
  console.error(failed)
  process.exit(1)
}
console.log(6)
