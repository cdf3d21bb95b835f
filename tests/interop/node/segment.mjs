// Sends with @segment/analytics-node; prints how many calls it made.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, flushAt: 4 })
const errors = []
analytics.on('error', (error) => errors.push(error))
const userId = 'sn'
analytics.identify({ userId, traits: { email: 'sn@shop.example' } })
analytics.track({ userId, event: 'Order Completed', properties: { order_id: 'o-sn', revenue: 9.99, currency: 'EUR' } })
analytics.track({ anonymousId: 'an-1', event: 'Product Viewed', properties: { product_id: 'p1', emoji: '😀' } })
analytics.page({ userId, name: 'Home' })
analytics.screen({ userId, name: 'Start' })
analytics.group({ userId, groupId: 'g1', traits: { name: 'Group' } })
analytics.alias({ userId, previousId: 'old-sn' })
await analytics.closeAndFlush()
if (errors.length > 0) {
  console.error(errors)
  process.exit(1)
}
console.log(7)
