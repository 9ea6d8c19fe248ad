export { pgheraldCollectionOptions, type PgheraldCollectionConfig, type PgheraldUtils, type Written } from "./options.js";
