// Opens GraphiQL in headless Chromium, runs its first query, and fails if the page asks any other host.
import puppeteer from 'puppeteer-core'

const [url, chromium] = process.argv.slice(2)
const browser = await puppeteer.launch({ executablePath: chromium, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
const page = await browser.newPage()
const faults = []
page.on('request', (request) => {
  const target = request.url()
  if (!target.startsWith('data:') && !target.startsWith('blob:') && new URL(target).origin !== new URL(url).origin) faults.push(`asks ${target}`)
})
page.on('pageerror', (error) => faults.push(String(error)))
await page.goto(url, { waitUntil: 'networkidle0' })
await page.waitForSelector('.graphiql-execute-button', { timeout: 20_000 })
await page.click('.graphiql-execute-button')
await page.waitForFunction(() => document.querySelector('.result-window, .graphiql-response')?.textContent.includes('"metrics"'), { timeout: 20_000 })
await browser.close()
if (faults.length > 0) {
  console.error(faults)
  process.exit(1)
}
console.log('ok')
