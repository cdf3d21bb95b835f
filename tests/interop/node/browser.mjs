// Drives @segment/analytics-next and @rudderstack/analytics-js in headless Chromium on a page of
// another origin; prints how many calls each made.
import { createServer } from 'node:http'
import { build } from 'esbuild'
import puppeteer from 'puppeteer-core'

const [host, segmentKey, rudderKey, chromium] = process.argv.slice(2)
const tools = process.cwd()

const segment = `
import { AnalyticsBrowser } from '@segment/analytics-next'
const analytics = AnalyticsBrowser.load(
  { writeKey: ${JSON.stringify(segmentKey)}, cdnURL: ${JSON.stringify(host)} },
  { integrations: { 'Segment.io': { apiHost: ${JSON.stringify(host.replace('http://', '') + '/v1')}, protocol: 'http' } } })
window.run = async () => {
  await analytics.identify('sb', { email: 'sb@shop.example' })
  await analytics.track('Order Completed', { order_id: 'o-sb', revenue: 20.01, currency: 'EUR' })
  await analytics.page('Docs', 'Home')
  await analytics.screen('App', 'Start')
  await analytics.group('g1', { name: 'Group' })
  await analytics.alias('sb2', 'sb')
  return 6
}`
const rudder = `
import { RudderAnalytics } from '@rudderstack/analytics-js/bundled'
const analytics = new RudderAnalytics()
analytics.load(${JSON.stringify(rudderKey)}, ${JSON.stringify(host)}, { configUrl: ${JSON.stringify(host)}, queueOptions: { minRetryDelay: 1000 } })
const call = (send) => new Promise((resolve) => send(resolve))
window.run = async () => {
  await new Promise((resolve) => analytics.ready(resolve))
  analytics.identify('rb', { email: 'rb@shop.example' })
  analytics.track('Order Completed', { order_id: 'o-rb', revenue: 5.5, currency: 'USD' })
  analytics.page('Docs', 'Home')
  analytics.group('g1', { name: 'Group' })
  analytics.alias('rb2', 'rb')
  return 5
}`

const bundle = async (contents) => {
  const built = await build({ stdin: { contents, resolveDir: tools }, bundle: true, write: false, format: 'iife', target: 'es2020', define: { 'process.env.NODE_ENV': '"production"' }, logLevel: 'error' })
  return built.outputFiles[0].text
}
const scripts = { segment: await bundle(segment), rudder: await bundle(rudder) }
const pages = createServer((request, response) => {
  const name = request.url.slice(1)
  if (scripts[name.replace('.js', '')] && name.endsWith('.js')) {
    response.setHeader('content-type', 'text/javascript').end(scripts[name.replace('.js', '')])
  } else {
    response.setHeader('content-type', 'text/html').end(`<!doctype html><title>shop</title><script src="/${name}.js"></script>`)
  }
})
await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${pages.address().port}`

const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
const sent = {}
for (const name of ['segment', 'rudder']) {
  const page = await browser.newPage()
  const failures = []
  const posts = new Set()
  const answered = new Set()
  page.on('pageerror', (error) => failures.push(String(error)))
  page.on('request', (request) => request.method() === 'POST' && request.url().startsWith(host) && posts.add(request))
  page.on('requestfailed', (request) => request.url().startsWith(host) && failures.push(`${request.url()} ${request.failure()?.errorText}`))
  page.on('response', (response) => {
    if (!response.url().startsWith(host)) return
    if (!response.ok()) failures.push(`${response.url()} answered ${response.status()}`)
    if (response.request().method() === 'POST') answered.add(response.request())
  })
  await page.goto(`${origin}/${name}`)
  const calls = await page.evaluate(() => window.run())
  const deadline = Date.now() + 20_000
  while (answered.size < calls && failures.length === 0) {
    if (Date.now() > deadline) failures.push(`${answered.size} of ${calls} calls were answered within 20 s (${posts.size} sent)`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (failures.length > 0) {
    console.error(name, failures)
    process.exit(1)
  }
  sent[name] = calls
  await page.close()
}
await browser.close()
pages.close()
console.log(JSON.stringify(sent))
