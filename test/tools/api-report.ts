import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Extractor, ExtractorConfig, type ExtractorMessage, ExtractorLogLevel } from '@microsoft/api-extractor'

/**
 * Writes what each subpath exports to docs/api/, or fails when that changed: changing the public API is a diff somebody
 * reviews. `npm run api` writes, `npm run check:api` compares; both read dist, so build first.
 */

const update = process.argv.includes('--update')
const root = process.cwd()
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { types: string }>
}
mkdirSync('docs/api', { recursive: true })

const changed: string[] = []
for (const [subpath, target] of Object.entries(manifest.exports)) {
  if (typeof target === 'string') continue
  const name = subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-')
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, target.types),
      compiler: { tsconfigFilePath: join(root, 'tsconfig.api.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: join(root, 'docs/api'),
        reportTempFolder: join(root, 'node_modules/.cache/api'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        // Doc comments are checked by their own tests; here only the shape of the API counts.
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Warning },
          'ae-missing-release-tag': { logLevel: ExtractorLogLevel.None },
          'ae-internal-missing-underscore': { logLevel: ExtractorLogLevel.None },
          'ae-forgotten-export': { logLevel: ExtractorLogLevel.Warning, addToApiReportFile: true },
          'ae-unresolved-link': { logLevel: ExtractorLogLevel.None },
        },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
  })
  const result = Extractor.invoke(config, {
    localBuild: update,
    messageCallback: (message: ExtractorMessage) => {
      message.handled = !(message.logLevel === ExtractorLogLevel.Error)
    },
  })
  if (result.apiReportChanged) changed.push(`${subpath} (docs/api/${name}.api.md)`)
}

if (changed.length > 0 && !update) {
  console.error(
    `The public API changed:\n  ${changed.join('\n  ')}\nIf that is meant, run npm run api and commit the reports.`,
  )
  process.exit(1)
}
console.log(update ? `reports written to docs/api (${changed.length} changed)` : 'the public API is as reported')
