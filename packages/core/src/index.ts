export { BackupError } from './model/errors.js';
